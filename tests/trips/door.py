"""Every way into a room, tried by somebody who must not come in."""

from tests.trips.evenings import Evening
from tests.trips.people import Person

Answers = dict[str, object]

# Asked by the person's own page, with its cookies, as the room's script would ask.
KNOCK = """
async ({ room, token }) => {
  const seat = await fetch(`${room}seat`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify({ tab: "0".repeat(32), take_over: true }),
  });
  const grant = "a-grant-that-nobody-has-ever-issued";
  const socket = await new Promise((resolve) => {
    const one = new WebSocket(`${location.origin.replace("http", "ws")}${room}socket`);
    one.onopen = () => one.send(JSON.stringify({ op: "hello", v: 1, grant }));
    one.onclose = ({ code }) => resolve(code);
    setTimeout(resolve, 10_000, "still open");
  });
  const media = async (way) => {
    const connection = new RTCPeerConnection();
    connection.addTransceiver("audio");
    await connection.setLocalDescription();
    const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${grant}` };
    const body = connection.localDescription.sdp;
    const answer = await fetch(`${room}${way}`, { method: "POST", headers, body });
    connection.close();
    return [answer.status, (await answer.json()).code];
  };
  return {
    seat: [seat.status, (await seat.json()).code],
    socket,
    whep: await media("whep"),
    whip: await media("whip"),
  };
}
"""


def refused_everywhere(person: Person, evening: Evening) -> Answers:
    """Try the page, the seat, the socket, WHEP and WHIP; return what each answered."""
    status = person.knock(evening.room)
    words = person.page.locator("[data-curtain] h2").inner_text()
    cookies = person.page.context.cookies(person.base_url)
    token = next(cookie["value"] for cookie in cookies if cookie["name"] == "csrftoken")
    knocked = person.page.evaluate(KNOCK, {"room": evening.room, "token": token})
    answers = {way: tuple(said) if isinstance(said, list) else said for way, said in knocked.items()}
    return {"page": (status, words), **answers}
