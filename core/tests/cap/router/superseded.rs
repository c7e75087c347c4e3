//! Reports of a dispatch that come after the router has sent the job again, in the production profile (spec/19).

use bytes::Bytes;
use nuncio_core::cap::{JobStatus, Subject};

use super::production::{World, direct};

/// Submits a job whose result the bus keeps back until the router has sent the job a second time. Returns the result.
fn sent_again(world: &mut World) -> Bytes {
    world.kept_back = Some(Subject::JobResult);
    assert_eq!(world.submit(0, "1"), [""; 0]);
    world.kept_back = Some(direct());
    // The worker's heartbeats say that it does not run the job any more.
    for _ in 0..60 {
        world.wait(1);
        world.worker.handle_timeout(world.now);
        world.run();
        if world.on(&direct()).len() == 2 {
            world.kept_back = None;
            return world.on(&Subject::JobResult)[0].clone();
        }
    }
    panic!("the job was not sent again");
}

fn status(world: &World) -> JobStatus {
    let job = world.router.find_job("1").unwrap();
    world.router.job(job).unwrap().state.status()
}

#[test]
fn s19_a_result_of_an_earlier_dispatch_does_not_end_the_job() {
    let mut world = World::new();
    let earlier = sent_again(&mut world);
    world.router.handle_packet(world.now, &Subject::JobResult, &earlier, None);
    world.run();
    assert_eq!(status(&world), JobStatus::DISPATCHED);

    let second = world.on(&direct())[1].clone();
    assert_eq!(world.again(&direct(), &second), ["SUCCEEDED by w"]);
    assert_eq!(status(&world), JobStatus::SUCCEEDED, "the result of the present dispatch does");
}
