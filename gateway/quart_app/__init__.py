"""What Quart answers: pages beside the route table, and every route behind Hypercorn."""
