SELECT wrapped FROM subject_keys WHERE subject = ?
