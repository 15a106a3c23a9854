// Live rows.
