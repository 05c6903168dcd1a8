"""What travels: envelope, values, examples, topics, schemas. No input or output but the files of the package."""
