"""The tables: one schema for SQLite and PostgreSQL.

Names of types are ones that both understand (SQLite takes their affinity from them). Times are
seconds since 1970, identities and JSON are text, truth is 0 or 1. A step that was released never
changes: what is new is a step more.
"""

from __future__ import annotations

from pegboard_database import Schema

__all__ = ["SCHEMA"]

TABLES = (
    """
    CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)
    """,
    """
    INSERT INTO counter VALUES ('event', 0)
    """,
    """
    CREATE TABLE project (
        uuid TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        description TEXT NOT NULL DEFAULT '',
        directory TEXT NOT NULL DEFAULT '',
        creation_time DOUBLE PRECISION NOT NULL,
        last_job_number BIGINT NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE runner (
        uuid TEXT PRIMARY KEY,
        host TEXT NOT NULL,
        process_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        epoch TEXT NOT NULL,
        start_time DOUBLE PRECISION NOT NULL,
        lease DOUBLE PRECISION NOT NULL
    )
    """,
    """
    CREATE TABLE job (
        uuid TEXT PRIMARY KEY,
        project TEXT NOT NULL REFERENCES project (uuid) ON DELETE CASCADE,
        parent TEXT REFERENCES job (uuid) ON DELETE CASCADE,
        number TEXT NOT NULL,
        children BIGINT NOT NULL DEFAULT 0,
        task_name TEXT NOT NULL,
        title TEXT NOT NULL,
        status INTEGER NOT NULL,
        kind TEXT NOT NULL,
        ordinal BIGINT NOT NULL,
        creation_time DOUBLE PRECISION NOT NULL,
        start_time DOUBLE PRECISION,
        finish_time DOUBLE PRECISION,
        runner TEXT,
        process_id BIGINT,
        host TEXT NOT NULL DEFAULT '',
        fence BIGINT NOT NULL DEFAULT 0,
        attempt INTEGER NOT NULL DEFAULT 0,
        failure TEXT,
        progress TEXT,
        cancelling INTEGER NOT NULL DEFAULT 0,
        evaluation INTEGER NOT NULL DEFAULT 0,
        comments TEXT NOT NULL DEFAULT '',
        owner TEXT NOT NULL DEFAULT '',
        orders TEXT,
        run_at DOUBLE PRECISION,
        result TEXT,
        queue TEXT NOT NULL DEFAULT '',
        priority BIGINT NOT NULL DEFAULT 0,
        deadline DOUBLE PRECISION,
        idempotency_key TEXT,
        UNIQUE (project, number)
    )
    """,
    """
    CREATE UNIQUE INDEX job_key ON job (project, idempotency_key)
        WHERE idempotency_key IS NOT NULL
    """,
    "CREATE UNIQUE INDEX job_ordinal ON job (ordinal)",
    "CREATE INDEX job_newest ON job (project, ordinal)",
    "CREATE INDEX job_nested ON job (parent, ordinal) WHERE parent IS NOT NULL",
    "CREATE INDEX job_queued ON job (priority DESC, ordinal) WHERE status = 2",
    "CREATE INDEX job_active ON job (runner) WHERE status = 3",
    "CREATE INDEX job_working ON job (queue) WHERE status = 3",
    "CREATE INDEX job_finished ON job (finish_time) WHERE finish_time IS NOT NULL",
    "CREATE INDEX job_status ON job (project, status, ordinal)",
    """
    CREATE TABLE tally (
        project TEXT NOT NULL,
        status INTEGER NOT NULL,
        jobs BIGINT NOT NULL,
        PRIMARY KEY (project, status)
    )
    """,
    """
    CREATE TABLE tag (
        job TEXT NOT NULL REFERENCES job (uuid) ON DELETE CASCADE,
        name TEXT NOT NULL,
        PRIMARY KEY (name, job)
    )
    """,
    "CREATE INDEX tag_job ON tag (job)",
    """
    CREATE TABLE event (
        seq BIGINT PRIMARY KEY,
        time DOUBLE PRECISION NOT NULL,
        project TEXT NOT NULL,
        job TEXT NOT NULL,
        number TEXT NOT NULL,
        kind TEXT NOT NULL,
        data TEXT NOT NULL
    )
    """,
    "CREATE INDEX event_project ON event (project, seq)",
    "CREATE INDEX event_job ON event (job, seq)",
    """
    CREATE TABLE value_key (name TEXT PRIMARY KEY, description TEXT NOT NULL)
    """,
    """
    CREATE TABLE value (
        job TEXT NOT NULL REFERENCES job (uuid) ON DELETE CASCADE,
        key TEXT NOT NULL,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (job, key)
    )
    """,
    """
    CREATE TABLE file (
        uuid TEXT PRIMARY KEY,
        job TEXT NOT NULL REFERENCES job (uuid) ON DELETE CASCADE,
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        directory INTEGER NOT NULL,
        type TEXT NOT NULL,
        sub_type INTEGER,
        content INTEGER,
        annotation TEXT NOT NULL DEFAULT '',
        job_param_name TEXT NOT NULL,
        size BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        md5 TEXT NOT NULL,
        last_modified DOUBLE PRECISION NOT NULL,
        creation_time DOUBLE PRECISION NOT NULL,
        source TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX file_job ON file (job)",
    "CREATE UNIQUE INDEX file_output ON file (job, job_param_name) WHERE directory = 1",
    "CREATE INDEX file_sha256 ON file (sha256)",
    "CREATE INDEX file_md5 ON file (md5)",
    "CREATE INDEX file_path ON file (path)",
    """
    CREATE TABLE file_use (
        file TEXT NOT NULL REFERENCES file (uuid) ON DELETE CASCADE,
        job TEXT NOT NULL REFERENCES job (uuid) ON DELETE CASCADE,
        role INTEGER NOT NULL,
        job_param_name TEXT NOT NULL,
        PRIMARY KEY (job, file, role, job_param_name)
    )
    """,
    "CREATE INDEX file_use_file ON file_use (file)",
    """
    CREATE TABLE schedule (
        name TEXT PRIMARY KEY,
        project TEXT NOT NULL,
        cron TEXT NOT NULL,
        zone TEXT NOT NULL,
        orders TEXT NOT NULL,
        next_at DOUBLE PRECISION NOT NULL
    )
    """,
    "CREATE INDEX schedule_next ON schedule (next_at)",
)
"""The first step, statement by statement."""

QUEUE = (
    "ALTER TABLE job ADD COLUMN ready INTEGER NOT NULL DEFAULT 0",
    "DROP INDEX job_queued",
    "CREATE INDEX job_ready ON job (priority DESC, ordinal) WHERE status = 2 AND ready = 1",
    "CREATE INDEX job_waiting ON job (run_at) WHERE status = 2 AND ready = 0",
    "CREATE INDEX job_open ON job (project) WHERE finish_time IS NULL",
)
"""Jobs that are due are told from those that wait for their time, and open ones are few."""

SCHEMA = Schema("jobs", [";".join(TABLES), ";".join(QUEUE)])
"""All steps, each run once, in order."""
