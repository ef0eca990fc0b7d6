"""The ground floor: money, time, ids, the event envelope, errors and the ports. Imports nothing of ours."""
