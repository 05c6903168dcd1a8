"""Imports: `hub` applies a hub file, `calendar` the records of a source. The same input again changes and sends nothing."""
