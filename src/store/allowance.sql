-- What a provider said about a key besides yes or no, for one generation of a credential: its end, what is left, used shares
-- (`quota` is a list of domain::Quota as JSON). And what was left when, for the runway.
CREATE TABLE allowance (
  credential TEXT PRIMARY KEY,
  generation TEXT NOT NULL,
  at INTEGER NOT NULL,
  expires INTEGER,
  amount REAL,
  currency TEXT,
  quota TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE balance (
  credential TEXT NOT NULL,
  at INTEGER NOT NULL,
  amount REAL NOT NULL,
  currency TEXT,
  PRIMARY KEY (credential, at)
) STRICT, WITHOUT ROWID;
