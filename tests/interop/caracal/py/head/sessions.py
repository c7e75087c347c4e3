"""Sessions, services and delegations with the SDK 1.0, which exchanges the client secret for tokens itself."""

import asyncio

from caracalai import Caracal, CoordinatorError, DelegationConstraints

caracal = Caracal()


async def keys():
    async with caracal.session(idempotency_key='the-same'):
        try:
            # It has a parent, so it is another request.
            async with caracal.session(idempotency_key='the-same'):
                raise AssertionError('another request has the same key')
        except CoordinatorError as error:
            print('conflict:', error.code)


async def services():
    peer = await caracal.start_session()
    print('service:', peer.session_id, peer.lease_generation)
    await peer.heartbeat()
    taken_over = await caracal.attach_session(peer.session_id)
    print('attached:', taken_over.lease_generation)
    try:
        await peer.heartbeat()
    except Exception as error:
        print('fenced:', getattr(error, 'code', type(error).__name__))
    return taken_over


async def delegations(peer):
    async with caracal.session() as source:
        edge = await caracal.delegate(
            to_session_id=peer.session_id,
            scopes=['payment:read'],
            ttl_seconds=300,
            constraints=DelegationConstraints(resources=['resource://payments'], max_hops=2),
        )
        print('delegated:', source.session_id, edge.delegation_id)
        async with caracal.bind(peer.context):
            async with caracal.accept_delegation(edge.delegation_id, validate=True) as accepted:
                print('accepted:', accepted.session_id, accepted.delegation_id)
        await caracal.revoke_delegation(edge.delegation_id)
        try:
            async with caracal.bind(peer.context):
                async with caracal.accept_delegation(edge.delegation_id, validate=True):
                    raise AssertionError('a revoked edge is accepted')
        except RuntimeError:
            print('revoked:', edge.delegation_id)


async def main():
    async with caracal.session() as outer:
        async with caracal.session(labels=['nested'], metadata={'n': 1}) as inner:
            print('nested:', outer.session_id, inner.session_id)
        both = asyncio.Barrier(2)

        async def child():
            async with caracal.session() as ctx:
                await both.wait()
                return ctx.session_id

        print('siblings:', *await asyncio.gather(child(), child()))
    await keys()
    peer = await services()
    await delegations(peer)
    # The session was ended by the revocation, so that there is nothing to end.
    await peer.aclose()
    await caracal.aclose()


asyncio.run(main())
