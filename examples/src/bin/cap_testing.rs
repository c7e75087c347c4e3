//! CAP: tests of handlers, middleware and packets without any server.

use std::error::Error;

use nuncio_tokio::cap::testing::{HandlerTest, Recorder, run_handler};
use nuncio_tokio::cap::{
    Client, Failure, FailureKind, JobContext, MemoryBus, MemoryStore, Next, Router, Submit, Worker,
};
use serde_json::{Value, json};

/// The handler under test.
async fn shout(ctx: JobContext, text: String) -> Result<String, Failure> {
    if text.is_empty() {
        return Err(Failure::invalid_input("there is nothing to shout"));
    }
    ctx.progress(50).step("shout").await?;
    let mark = ctx.labels().get("mark").map_or("!", String::as_str);
    Ok(text.to_uppercase() + mark)
}

/// The middleware under test.
async fn trim(ctx: JobContext, input: Value, next: Next) -> Result<Value, Failure> {
    let input = input.as_str().map_or_else(|| input.clone(), |text| json!(text.trim()));
    next.run(ctx, input).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A handler alone.
    let run = run_handler(shout, "hello").await;
    assert_eq!(run.output, Ok(json!("HELLO!")));
    assert_eq!(run.progress.iter().map(|progress| progress.percent).collect::<Vec<_>>(), [50]);
    let failure = run_handler(shout, "").await.output.expect_err("there is nothing to shout");
    assert_eq!(failure.kind(), FailureKind::Input);
    let failure = run_handler(shout, &7).await.output.expect_err("a number is not a text");
    println!("{}", failure.message());

    // With a job of one's choice, and with middleware.
    let test = HandlerTest::new(shout).layer(trim);
    let test = test.request(|request| _ = request.labels.insert("mark".to_owned(), "?".to_owned()));
    assert_eq!(test.run("  hello ").await.output, Ok(json!("HELLO?")));

    // A worker and a client on a bus within the process, whose messages are recorded.
    let (bus, store) = (MemoryBus::new(), MemoryStore::new());
    let mut recorder = Recorder::new(&bus)?;
    let router = Router::builder().start(bus.another())?;
    let worker = Worker::builder().layer(trim).job("job.shout", shout).start(bus.another(), store.clone())?;
    router.ready().await?;
    worker.ready().await?;
    let connection = bus.another();
    let client = Client::builder().connect(connection.clone(), store)?;
    // Nothing is lost if the bus is away for a moment.
    connection.cut();
    let mut job = client.submit(Submit::new("job.shout").input(" hello ")).await?;
    connection.restore();
    assert_eq!(job.result::<String>().await?, "HELLO!");
    let subjects: Vec<_> = recorder.messages().iter().map(|message| message.subject.as_str()).collect();
    for subject in ["sys.job.submit", "job.shout", "sys.job.progress", "sys.job.result"] {
        assert!(subjects.contains(&subject), "{subject} is not among {subjects:?}");
    }
    Ok(())
}
