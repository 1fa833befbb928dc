"""Speed, measured beside other task queues: `make bench`. See README.md here for the method."""

from __future__ import annotations
