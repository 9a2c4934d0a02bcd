"""The review pages, and logging in to them."""
