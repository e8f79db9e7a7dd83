"""The root of the errors of all packages; the class says whether trying again can help.

SpendlineError
├── Transient               try again later: nothing is wrong with the request
│   ├── BrokerUnavailable   no confirm in time, an alarm, a full queue
│   ├── StoreUnavailable    PostgreSQL is away, frozen or read-only
│   ├── CacheUnavailable    Redis is away; readers go to PostgreSQL
│   └── MigrationLocked     another migrator is at work on the database
└── Permanent               trying again gives the same answer
    ├── InvalidMessage      an envelope or chunk that this version cannot read
    ├── MessageTooLarge     more bytes than a broker takes of one message
    ├── NoPartition         a date outside the managed months
    ├── InvalidSettings     the process cannot start like this
    ├── NotMigrated         a database without tables
    ├── QueueMismatch       a queue that was declared with other arguments
    ├── MigrationMismatch   an applied migration is not the one in this version
    ├── BackupFailed        a backup that cannot be made, or a file that cannot be restored
    ├── ServersMissing      no URL, no program, no right to install it
    ├── ServerFailed        a server of the private stack ended or did not answer
    └── AlreadyUp           the private stack of this folder is running

This module imports nothing, so every other one may import it, also those that know no server.
"""


class SpendlineError(Exception):
    """Root of the errors of all packages."""


class Transient(SpendlineError):
    """Trying again later can succeed."""


class BrokerUnavailable(Transient):
    """The broker did not confirm."""


class StoreUnavailable(Transient):
    """PostgreSQL did not answer."""


class CacheUnavailable(Transient):
    """Redis did not answer."""


class MigrationLocked(Transient):
    """Another migrator holds the lock; the message says what to do."""


class Permanent(SpendlineError):
    """Trying again gives the same answer."""


class InvalidMessage(Permanent):
    """An envelope or chunk cannot be read."""


class MessageTooLarge(Permanent):
    """The message was not sent: a broker need not take that many bytes."""


class NoPartition(Permanent):
    """A date is outside the managed months."""


class InvalidSettings(Permanent):
    """A setting is missing or wrong; the message names it."""


class NotMigrated(Permanent):
    """The database has no tables yet; the message says what to type."""


class QueueMismatch(Permanent):
    """A queue exists with other arguments than those of the settings."""


class MigrationMismatch(Permanent):
    """Other files than these have migrated the database."""


class BackupFailed(Permanent):
    """A backup was not made or not restored; the database is unchanged."""


class ServersMissing(Permanent):
    """The servers have neither URLs nor programs; the message says what to type."""


class ServerFailed(Permanent):
    """A server of the private stack failed; the message quotes the end of its log."""


class AlreadyUp(Permanent):
    """Another process runs the private stack of this folder."""
