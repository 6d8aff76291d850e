"""Updates as protobuf: one format object per streaming call, all spelling proto/hyperstream/v1.

What many subscribers share is written by hand from cached parts (levels, the market's name, the
block's stamp), because joining bytes is far cheaper than building messages. What is rare uses the
generated classes. The tests compare both.
"""
