"""What is shown on a terminal: pure state in, rich renderables out.

Every view takes events and the time they arrived, and draws itself for a size and a time.
None looks at a clock, so each can be tested to the last character.

    numbers    digits, ages, bars, sparklines      rates     per second, percentiles
    feed       connection, losses, the footer      ladder    an order book
    bbo        a table of best prices              tape      trades as they happen
    prices     prices, bars, indicators
    orders     order changes and best queues       grid      rows of cells, things side by side
    showcase   the screen of the demo
"""
