-- Version 3: what each receiver kept with the last message of a group (the vendor's id of a message to edit or to answer).
CREATE TABLE thread (
  receiver TEXT NOT NULL,
  group_key TEXT NOT NULL,
  keep TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (receiver, group_key)
) STRICT, WITHOUT ROWID;

-- What people want not to hear. `body` is domain::Silence as JSON. One that is over stays some days, for looking
-- back. (An ack is part of its incident.)
CREATE TABLE silence (
  id TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Incidents that ended lately: whether one comes back, and what was fixed since the last report.
CREATE TABLE ended (
  incident TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (incident, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_by_time ON ended (at);

-- Whose a credential was (a hash), and what it was allowed to do (a JSON list), so that a change is noticed.
ALTER TABLE credential ADD COLUMN account TEXT;
ALTER TABLE credential ADD COLUMN scopes TEXT;
