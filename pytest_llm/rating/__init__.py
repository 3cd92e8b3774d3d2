"""People rate outputs on a local page, and what they said is kept as `data/ratings.py` reads it.

sheet.py         what there is to rate: items of one file of outputs, or of two
order.py         who is shown what, in which order, which candidate first: drawn from a seed
answers.py       one answer as a row
answer_file.py   the file they are kept in: appended to, locked, repaired after a crash
session.py       a rater at a question; where to go next
marking.py       a text in parts: code, and characters that nobody would see
page.py          HTML
guard.py         which requests are answered
app.py           the routes
server.py        an address on this machine
label_studio.py  the same as tasks and annotations of Label Studio
"""
