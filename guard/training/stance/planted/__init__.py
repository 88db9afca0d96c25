"""Pairs of claim and evidence made by rule from ordinary text: true ones, planted false ones, and ones about other things."""
