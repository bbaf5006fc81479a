-- Version 4: chats and signed links. How far each bot's updates are dealt with, and when the last one was.
CREATE TABLE chat (bot INTEGER PRIMARY KEY, next INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;

-- What somebody wants to be done, until its button is pressed.
CREATE TABLE wish (id TEXT PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- What is still to be said.
CREATE TABLE saying (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;

-- Signed links that were used, by a hash from which they cannot be made; until they expire anyway.
CREATE TABLE used_link (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
