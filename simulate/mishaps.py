"""What goes wrong in a run: each is one method, drawn by chance."""

from simulate.disk import DiskTrouble, Ends
from simulate.pool import RESIDENTS, RULES
from simulate.shops import CardCopy, World
from simulate.sticks import StickTrouble
from terminal.domain.ports import StoreFaultError

MOST_PLACES = 4
"""With the copies that sell as well."""


class Mishaps:
    """Everything that can go wrong between the shops and the pool, but for the network's own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance
        self._witness = world.witness

    def change_network(self) -> None:
        """A shop's line is cut, or mended."""
        self._world.network.cut_off ^= {self._world.any_place().device.name}
        self._world.faults += 1

    def plan_an_end(self) -> None:
        """A program ends at one of its next writes or syncs."""
        place = self._world.any_place()
        if place.device.is_on:
            place.device.disk.end_at(self._chance.choice(list(Ends)), self._chance.randint(1, 16))
            self._world.faults += 1

    def pull_the_plug(self) -> None:
        """A program ends here and now."""
        place = self._world.any_place()
        if place.device.is_on:
            place.device.disk.end_now(self._chance.choice(list(Ends)))
            self._world.faults += 1

    def spoil_the_disk(self) -> None:
        """One of a disk's next writes or syncs fails."""
        place = self._world.any_place()
        if place.device.is_on:
            trouble = self._chance.choice(list(DiskTrouble))
            place.device.disk.trouble_at(trouble, self._chance.randint(1, 8))

    def stop_the_server(self) -> None:
        """It starts anew, now or at one of its next writes."""
        world = self._world
        world.faults += 1
        if self._chance.random() < 0.5:
            ends = self._chance.choice(list(Ends))
            world.server.disk.end_at(ends, self._chance.randint(1, 40))
        else:
            world.server.restart()

    def operate(self) -> None:
        """The office books something meanwhile."""
        server = self._world.server
        if not server.disk.is_off():
            server.disk.calm_down()  # what the operator does is not what is tried here
            server.award(self._chance.choice(RESIDENTS), self._chance.choice(RULES))

    def tell_twice(self) -> None:
        """A sale goes into the journal a second time, as when a device is restored by hand."""
        device = self._world.any_place().device
        shown = self._witness.of_device(device.name)
        if not device.is_on or not shown:
            return
        try:
            found = device.store.captured(self._chance.choice(shown).receipt_no)
            if found is not None and not device.is_stopped:
                with device.store.working() as work:
                    work.journal(found[1], device.clock.moment())
        except StoreFaultError:
            return

    def roll_back(self) -> None:
        """Somebody puts an older copy of the card in."""
        place = self._world.any_place()
        if not place.copies:
            return
        device, copy = place.device, self._chance.choice(place.copies)
        if device.is_dead:
            return
        self._world.faults += 1
        stick, terminal = device.stick, device.enrolled.identity.terminal
        now = {shown.sale_id for shown in self._witness.of_device(device.name)}
        lost = {each for each in now if each not in copy.shown}
        # A stick that has everything brings it back: nothing may be lost, and nothing may stop.
        is_mended = stick is not None and stick.is_whole() and not device.is_stopped
        if stick is not None and copy.stick is not None and self._chance.random() < 0.3:
            stick.put_back(copy.stick)
            self._witness.on_stick -= lost
            is_mended = False
        device.stop(images=copy.images)
        device.quarantine.lift()
        self._witness.put_back.add(terminal)
        if not is_mended:
            self._witness.copied.add(terminal)
            self._witness.may_be_lost |= lost
        self._world.boot(place)

    def clone(self) -> None:
        """Somebody puts a copy of the card into a second machine."""
        world = self._world
        place = world.any_place()
        if not place.copies or len(world.places) >= MOST_PLACES:
            return
        world.faults += 1
        self._witness.copied.add(place.device.enrolled.identity.terminal)
        copy = self._chance.choice(place.copies)
        twin = world.open(place.device.enrolled, f"{place.device.name}-copy{world.step}")
        twin.device.stop(images=copy.images)
        world.boot(twin)

    def lose_the_card(self) -> None:
        """A card is dead for good; what its stick has is all that is left."""
        found = [each for each in self._world.with_sticks() if not each[0].device.is_dead]
        if not found:
            return
        (place, _), self._world.faults = self._chance.choice(found), self._world.faults + 1
        device = place.device
        device.stop(images={})
        device.is_dead = True
        self._witness.copied.add(device.enrolled.identity.terminal)
        now = {shown.sale_id for shown in self._witness.of_device(device.name)}
        self._witness.may_be_lost |= now - self._witness.on_stick

    def spoil_the_stick(self) -> None:
        """It fails at its next write."""
        if found := self._world.with_sticks():
            _, stick = self._chance.choice(found)
            stick.fail_once(self._chance.choice(list(StickTrouble)))

    def touch_the_stick(self) -> None:
        """It is pulled out or put in, it hangs, or it is let go; the program looks every seconds."""
        if not (found := self._world.with_sticks()):
            return
        place, stick = self._chance.choice(found)
        luck = self._chance.random()
        if luck < 0.3:
            stick.move(plugged=not stick.is_plugged)
        elif luck < 0.5:
            stick.hangs = not stick.hangs
            stick.troubles += 1
        elif luck < 0.8:
            stick.move(plugged=True)
            stick.hangs = False
        if place.device.is_on:
            stick.copy()

    def see_what_died(self) -> None:
        """What ended is switched off; now and then somebody copies its card."""
        for place in self._world.places:
            device = place.device
            if device.disk.is_off() and not device.is_dead:
                images = device.stop()
                if self._chance.random() < 0.5:
                    shown = {each.sale_id for each in self._witness.of_device(device.name)}
                    there = device.stick.content() if device.stick is not None else None
                    place.copies.append(CardCopy(images, set(shown), there))
        if self._world.server.disk.is_off():
            self._world.server.restart()
