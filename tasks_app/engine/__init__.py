"""The rules of the queue as pure functions and tables: no Django, no database, no clock."""
