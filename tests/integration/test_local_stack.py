"""The private stack: it answers, it is one per folder, and it leaves nothing behind."""

from __future__ import annotations
