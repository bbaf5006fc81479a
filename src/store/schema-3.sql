-- Version 3: what each receiver kept with the last message of a group (the vendor's id of a message to edit or to answer).
CREATE TABLE thread (
  receiver TEXT NOT NULL,
  group_key TEXT NOT NULL,
  keep TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (receiver, group_key)
) STRICT, WITHOUT ROWID;
