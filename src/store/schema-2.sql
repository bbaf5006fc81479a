-- Version 2: which refresh tokens each place has held (by keyed hash), so that one that comes back is noticed. `account` is a
-- hash too, empty where the owner shows none.
CREATE TABLE refresh_token (
  credential TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  account TEXT NOT NULL,
  first INTEGER NOT NULL,
  PRIMARY KEY (credential, fingerprint)
) STRICT, WITHOUT ROWID;
