"""Processes, threads, time and death: what claims tasks and runs them."""
