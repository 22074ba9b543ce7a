"""One dialect a subprotocol: how frames are written. The dialogue is the same for all."""
