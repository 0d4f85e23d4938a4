"""The tables of the ledger.

Scores are long: one row per metric of one group of one evaluation set. A numerator that is NULL
was not a number: SQLite has no NaN. Sums in SQL skip NULL, so compare `count(numerator)` with
`count(*)`; results and exported tables have NaN in its place, which every sum keeps.

A row whose group is NULL holds what the groups' totals lack to those of their set. It comes from
compact exports, which leave out groups and round the others; sums over a set need no exception.
"""

from typing import Literal

FORMAT = "3"

Status = Literal["planned", "running", "done", "diverged", "failed"]
STATUSES: tuple[Status, ...] = ("planned", "running", "done", "diverged", "failed")
FINAL: tuple[Status, ...] = ("done", "diverged")

SCHEMA = f"""
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tasks (
  key TEXT PRIMARY KEY,          -- digest of what it means and how it is evaluated
  task TEXT NOT NULL,            -- NAME:ARGUMENT
  description TEXT NOT NULL,     -- of titles, metrics and evaluation sets, JSON
  options TEXT NOT NULL          -- JSON
);
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  position INTEGER,              -- in the study; NULL: no longer part of it
  task TEXT NOT NULL, task_key TEXT NOT NULL,
  model TEXT NOT NULL, memory TEXT NOT NULL,
  definition TEXT NOT NULL,      -- of the model, JSON
  freeze TEXT NOT NULL, restart INTEGER NOT NULL, seed INTEGER NOT NULL,
  configuration TEXT NOT NULL,   -- of training, JSON
  folder TEXT NOT NULL,          -- of its checkpoint, from the study's folder
  job INTEGER,                   -- of the plan
  status TEXT NOT NULL CHECK (status IN {STATUSES}),
  reason TEXT,                   -- why it failed
  attempts INTEGER NOT NULL DEFAULT 0,
  engine TEXT, worker TEXT, device TEXT, versions TEXT,
  learning_rate REAL, selection REAL, reference REAL, excess REAL,
  epochs INTEGER NOT NULL DEFAULT 0, best_epoch INTEGER,
  seconds REAL NOT NULL DEFAULT 0, began TEXT, ended TEXT
);
CREATE TABLE epochs (
  run TEXT, epoch INTEGER, learning_rate REAL,
  PRIMARY KEY (run, epoch)
) WITHOUT ROWID;
CREATE TABLE curves (
  run TEXT, epoch INTEGER, "set" TEXT CHECK ("set" IN ('train', 'validation')),
  metric TEXT, numerator REAL, denominator REAL,
  PRIMARY KEY (run, epoch, "set", metric)
) WITHOUT ROWID;
CREATE TABLE scores (
  run TEXT, task_key TEXT, precision TEXT, "set" TEXT,
  place INTEGER, "group" TEXT,   -- the group and where it stands in its set; NULL: the rest
  metric TEXT, numerator REAL, denominator REAL,
  PRIMARY KEY (run, task_key, precision, "set", place, metric)
) WITHOUT ROWID;
CREATE TABLE "references" (      -- predictors that need no training, in their task's order
  task_key TEXT, "set" TEXT, predictor TEXT, place INTEGER, "group" TEXT,
  metric TEXT, numerator REAL, denominator REAL,
  PRIMARY KEY (task_key, "set", predictor, place, metric)
);
CREATE TABLE sessions (
  number INTEGER PRIMARY KEY, engine TEXT, workers INTEGER, host TEXT, versions TEXT,
  began TEXT, ended TEXT, outcome TEXT
);
"""

ADDED_SCHEMA = """
CREATE TABLE IF NOT EXISTS partition_scores (
  run TEXT, task_key TEXT, precision TEXT, "set" TEXT, partition TEXT,
  place INTEGER, "group" TEXT, metric TEXT, numerator REAL, denominator REAL,
  PRIMARY KEY (run, task_key, precision, "set", partition, place, metric)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS partition_references (
  task_key TEXT, "set" TEXT, predictor TEXT, partition TEXT,
  place INTEGER, "group" TEXT, metric TEXT, numerator REAL, denominator REAL,
  PRIMARY KEY (task_key, "set", predictor, partition, place, metric)
);
"""
"""Of tables that a ledger of this format can lack: scores by the groups of a task's partitions."""

ADDED = ("partition_scores", "partition_references")
"""The names of these. An export has no file of one that is empty."""

REST = -1
"""The place of a row without a group."""

OF_RUNS = ("epochs", "curves", "scores", "partition_scores")
"""Tables whose rows belong to runs."""

OF_TASKS = ("tasks", "references", "partition_references")
"""Tables whose rows belong to tasks."""

TABLES = ("runs", *OF_TASKS, *OF_RUNS, "sessions", "facts")
"""In an order in which they can be read while a study runs: what runs name comes after them."""
