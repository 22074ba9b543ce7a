// Rooms on ws: the first frame joins one, every further frame goes to all members of its room.
import { WebSocketServer } from "ws";

const BACKLOG = 4096;
const rooms = new Map();

class Room {
  members = new Set();
  seq = 0;

  static of(name) {
    let room = rooms.get(name);
    if (!room) rooms.set(name, (room = new Room()));
    return room;
  }

  join(socket) {
    this.members.add(socket);
    socket.on("close", () => this.members.delete(socket));
  }

  post(message) {
    message.seq = ++this.seq;
    const frame = Buffer.from(JSON.stringify(message));
    for (const member of this.members) member.send(frame, { binary: false });
  }
}

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: BACKLOG });
server.on("connection", (socket) => {
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.join) Room.of(message.join).join(socket);
    else Room.of(message.room).post(message);
  });
});
server.on("listening", () => console.log(`port ${server.address().port}`));
