-- Version 2: which refresh tokens each place has held (by keyed hash), so that one that comes back is noticed. `account` is a
-- hash too, empty where the owner shows none.
CREATE TABLE refresh_token (
  credential TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  account TEXT NOT NULL,
  first INTEGER NOT NULL,
  PRIMARY KEY (credential, fingerprint)
) STRICT, WITHOUT ROWID;

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
