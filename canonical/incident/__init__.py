"""The report after an incident, as far as it is judged without any chart or database: data, order, judgement and words."""
