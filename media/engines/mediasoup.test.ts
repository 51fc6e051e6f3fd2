import { mediaEngineConformance } from './conformance.ts';
import { startMediasoupEngine } from './mediasoup.ts';

mediaEngineConformance('mediasoup', startMediasoupEngine);
