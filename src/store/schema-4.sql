-- Version 4: signed links that were used, by a hash from which they cannot be made; until they expire anyway.
CREATE TABLE used_link (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
