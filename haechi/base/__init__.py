"""What every package of Haechi stands on. Standard library only; no behaviour of any one package."""
