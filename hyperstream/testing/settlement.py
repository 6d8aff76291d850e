"""What a trade does to both accounts, and the two fill events that say so."""

from random import Random
from typing import NamedTuple

from hyperstream.market.decimals import SCALE
from hyperstream.testing.lines import spell
from hyperstream.testing.listings import DEX, SPOT
from hyperstream.testing.market import Market
from hyperstream.testing.orders import Order, User

TAKER_FEE = 45_000  # 0.045 %, in 10^-8 of the notional
MAKER_FEE = 15_000
MAKER_REBATE = -3_000  # the largest market makers earn this
DEPLOYER_SHARE = 2  # a HIP-3 deployer takes one in so many units of the fee


class Trade(NamedTuple):
    """One match about to be settled. Times in milliseconds, sizes in 10^-8."""

    market: Market
    taker: Order
    maker: Order
    size: int
    time_ms: int
    tx_hash: str
    tid: int
    is_liquidation: bool


def settle(trade: Trade, rng: Random) -> tuple[str, str]:
    """Book the trade on both accounts; return the taker's and the maker's fill event."""
    return _fill(trade, trade.taker, True, rng), _fill(trade, trade.maker, False, rng)


def _fill(trade: Trade, order: Order, crossed: bool, rng: Random) -> str:
    market, user, px = trade.market, order.user, trade.maker.px
    notional = px * trade.size // SCALE
    start, direction, pnl = _book(market, user, order.is_bid, px, trade.size, rng)
    fee = _fee(notional, crossed, order)
    optional = ""
    if order.extra is not None and order.extra.builder is not None:
        optional = f',"builderFee":"{spell[_six_places(notional * order.extra.builder[1] // 100_000)]}"'
    if market.spec.kind == DEX:
        optional += f',"deployerFee":"{spell[_six_places(fee // DEPLOYER_SHARE)]}"'
    identity = "" if order.cloid == "null" else f',"cloid":{order.cloid}'
    if trade.is_liquidation:
        identity += (
            f',"liquidation":{{"liquidatedUser":"{trade.taker.user.address}",'
            f'"markPx":"{spell[market.valid(market.mark())]}","method":"market"}}'
        )
        direction = f"Liquidated Cross {'Short' if order.is_bid else 'Long'}" if crossed else direction
    fee_token = "USDC"
    if market.spec.kind == SPOT and order.is_bid:  # a spot buyer pays in what is bought
        fee_token, fee = market.spec.base_token, fee * SCALE // px
    builder = ""
    if order.extra is not None and order.extra.builder is not None:
        builder = f',"builder":"{order.extra.builder[0]}"'
    twap_id = order.extra.twap_id if order.extra is not None else None
    return (
        f'["{user.address}",{{"coin":"{market.symbol}","px":"{spell[px]}","sz":"{spell[trade.size]}",'
        f'"side":"{order.side}","time":{trade.time_ms},"startPosition":"{spell[start]}","dir":"{direction}",'
        f'"closedPnl":"{spell[pnl]}","hash":"{trade.tx_hash}","oid":{order.oid},'
        f'"crossed":{"true" if crossed else "false"},"fee":"{spell[_six_places(fee)]}"{optional},'
        f'"tid":{trade.tid}{identity},"feeToken":"{fee_token}"{builder},'
        f'"twapId":{"null" if twap_id is None else twap_id}}}]'
    )


def _book(market: Market, user: User, is_bid: bool, px: int, size: int, rng: Random) -> tuple[int, str, int]:
    """Move the position; return the position before, the ``dir`` text and the closed profit."""
    symbol = market.symbol
    start = user.positions.get(symbol)
    if start is None:  # nobody starts from nothing: the account is older than the simulation
        held = rng.choice(market.sizes) * rng.randrange(1, 40)
        start = held + size if market.spec.kind == SPOT else rng.choice((0, held, -held))
        user.entries[symbol] = px
    elif market.spec.kind == SPOT and start < size:
        start += size  # a deposit came in meanwhile
    change = size if is_bid else -size
    after = start + change
    user.positions[symbol] = after
    entry = user.entries[symbol]
    closed = 0 if start == 0 or (start > 0) == is_bid else min(size, abs(start))
    pnl = (px - entry if start > 0 else entry - px) * closed // SCALE
    if closed == 0 and after:
        user.entries[symbol] = (entry * abs(start) + px * size) // abs(after)
    elif closed < size:
        user.entries[symbol] = px
    return start, _direction(market, start, after, is_bid), _six_places(pnl)


def _direction(market: Market, start: int, after: int, is_bid: bool) -> str:
    if market.spec.kind == SPOT:
        return "Buy" if is_bid else "Sell"
    if is_bid:
        if start >= 0:
            return "Open Long"
        return "Close Short" if after <= 0 else "Short > Long"
    if start <= 0:
        return "Open Short"
    return "Close Long" if after >= 0 else "Long > Short"


def _fee(notional: int, crossed: bool, order: Order) -> int:
    if crossed:
        return notional * TAKER_FEE // SCALE
    rate = MAKER_REBATE if int(order.user.address[-1], 16) < 4 else MAKER_FEE
    return notional * rate // SCALE


def _six_places(value: int) -> int:
    return value // 100 * 100
