"""The console command: the composition root, which may import everything. One file per noun."""
