"""n-grams over any ids: Kneser–Ney for spelling and references, a Pitman–Yor process for counts."""
