"""What metrics are made of: functions from a record to its cases, under the names by which packs define metrics."""
