"""Requests to models that are paid by the token: sent once, kept, and bounded by a budget."""
