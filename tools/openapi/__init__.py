"""docs/openapi.json: what the merchants' API takes and answers, written from the code that does it.

python -m tools.openapi            write it
python -m tools.openapi --check    change nothing; exit 1 when it is another
"""
