"""The outside world: models, retrievers and histories."""
