"""Moving one command along: the Celery app, dispatch, verify, notify and the locks around them."""
