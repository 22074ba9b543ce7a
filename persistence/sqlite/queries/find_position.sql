SELECT position FROM records WHERE stream = ? AND version = ?
