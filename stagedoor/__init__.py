from stagedoor.celery import app as celery_app  # so that every process sends its nudges to our broker

__all__ = ["celery_app"]
