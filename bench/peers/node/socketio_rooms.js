// Rooms on socket.io: "join" a room, "post" to it, and every member gets a "message".
import { createServer } from "node:http";
import { Server } from "socket.io";

const BACKLOG = 4096;
const seqs = new Map();
const server = createServer();
const io = new Server(server, { transports: ["websocket"], serveClient: false });

io.on("connection", (socket) => {
  socket.on("join", (room) => socket.join(room));
  socket.on("post", (message) => {
    message.seq = (seqs.get(message.room) ?? 0) + 1;
    seqs.set(message.room, message.seq);
    io.to(message.room).emit("message", message);
  });
});
server.listen({ host: "127.0.0.1", port: 0, backlog: BACKLOG }, () => {
  console.log(`port ${server.address().port}`);
});
