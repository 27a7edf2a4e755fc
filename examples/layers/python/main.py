import json

from tabulate import tabulate

with open("/tmp/months.json", encoding="utf-8") as file:
    months = json.load(file)
print(tabulate(months, headers=["month", "revenue"], tablefmt="rounded_outline", floatfmt=",.2f"))
