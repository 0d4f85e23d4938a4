"""The tables of the ledger."""

from typing import Literal

FORMAT = "1"

Status = Literal["planned", "running", "done", "diverged", "failed"]
STATUSES: tuple[Status, ...] = ("planned", "running", "done", "diverged", "failed")
FINAL: tuple[Status, ...] = ("done", "diverged")

_TEST = "precision TEXT, low INTEGER, high INTEGER, strings_per_length INTEGER"
_BIN = (
    "language TEXT, train_low INTEGER, train_high INTEGER, "
    "low INTEGER, high INTEGER, strings_per_length INTEGER"
)
SCORES = (
    "strings INTEGER, perplexity REAL, accuracy REAL, determined_accuracy REAL, "
    "exact_strings REAL, skill REAL, doubtful_strings INTEGER"
)
SCHEMA = f"""
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  position INTEGER,              -- in the study; NULL: no longer part of it
  language TEXT NOT NULL, model TEXT NOT NULL, freeze TEXT NOT NULL,
  restart INTEGER NOT NULL, seed INTEGER NOT NULL,
  configuration TEXT NOT NULL,   -- the experiment, JSON
  folder TEXT NOT NULL,          -- of its checkpoint, from the study's folder
  pack INTEGER,
  status TEXT NOT NULL CHECK (status IN {STATUSES}),
  reason TEXT,                   -- why it failed
  attempts INTEGER NOT NULL DEFAULT 0,
  engine TEXT, worker TEXT, device TEXT, versions TEXT,
  learning_rate REAL, valid_bound REAL, valid_perplexity REAL,
  epochs INTEGER NOT NULL DEFAULT 0, best_epoch INTEGER, doubtful INTEGER,
  seconds REAL NOT NULL DEFAULT 0, began TEXT, ended TEXT
);
CREATE TABLE epochs (
  run TEXT, epoch INTEGER, train_perplexity REAL, validation_perplexity REAL,
  learning_rate REAL, doubtful INTEGER,
  PRIMARY KEY (run, epoch)
) WITHOUT ROWID;
CREATE TABLE bin_scores (
  run TEXT, {_TEST}, {SCORES},
  PRIMARY KEY (run, precision, low, high, strings_per_length)
) WITHOUT ROWID;
CREATE TABLE length_scores (
  run TEXT, {_TEST}, length INTEGER, {SCORES},
  PRIMARY KEY (run, precision, low, high, strings_per_length, length)
) WITHOUT ROWID;
CREATE TABLE bin_bounds (      -- floors and ceiling, on the same strings
  {_BIN}, predictor TEXT, accuracy REAL, perplexity REAL,
  PRIMARY KEY (language, train_low, train_high, low, high, strings_per_length, predictor)
) WITHOUT ROWID;
CREATE TABLE length_bounds (
  {_BIN}, length INTEGER, predictor TEXT, accuracy REAL, perplexity REAL,
  PRIMARY KEY (language, train_low, train_high, low, high, strings_per_length, length, predictor)
) WITHOUT ROWID;
CREATE TABLE sessions (
  number INTEGER PRIMARY KEY, engine TEXT, workers INTEGER, host TEXT, versions TEXT,
  began TEXT, ended TEXT, outcome TEXT
);
"""

OF_RUNS = ("epochs", "bin_scores", "length_scores")
OF_LANGUAGES = ("bin_bounds", "length_bounds")
TABLES = ("runs", *OF_RUNS, *OF_LANGUAGES, "sessions")
CEILING = "ceiling"
