"""What the first screen of a report answers: a question, one sentence, one table, one chart."""
