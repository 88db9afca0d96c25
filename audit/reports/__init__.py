"""Reports out of the log, for officers, auditors and authorities; and its headers in the forms that other systems read."""
