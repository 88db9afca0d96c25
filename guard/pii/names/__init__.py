"""Names of persons, organisations and places in Korean, Chinese and English."""
