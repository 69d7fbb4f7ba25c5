"""A set of fine-grained and transient events from captioned clips (VideoPerceiver 3.4).

collection ─► transient? ─► caption and questions ─► validator ─► rows
(sources.py)  (transient.py)  (asking.py)             (validator.py)  (build.py, as in labels.py)

Every clip and every question that is left out has a reason, and the reasons are counted.
"""
