//! Prints what the ticker tells for as long as the connection is open; a close is answered by itself.
use sockeye::{BlockingSocket, Error, Message, State, connect_blocking};

pub(crate) fn print(mut socket: BlockingSocket, print: impl Fn(&Message)) {
    while socket.state() == State::Open {
        socket.recv().iter().for_each(&print);
    }
}

fn main() -> Result<(), Error> {
    print(connect_blocking("ws://localhost:5065/")?, |message| println!("{message}"));
    Ok(())
}
