SELECT value FROM meta WHERE name = 'epoch'
