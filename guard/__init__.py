"""Decides about text: toxicity, prompt attacks, misinformation and personal data, in Korean, Chinese and English."""
