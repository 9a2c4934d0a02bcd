"""The review desk: what people see of a case, and how what they decide is carried out. Not its pages (``api/review``)."""
