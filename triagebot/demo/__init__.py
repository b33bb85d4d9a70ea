"""`triagebot demo`: a recorded incident, sent to a real server as a collector, a pipeline, PagerDuty and people would."""
